"""The processes of a large bot in a Ray cluster: one for some of its shards, started, watched and started elsewhere.

plan.py says what each process is; supervisor.py runs the unmodified `afterimage run` as a child and knows no Ray;
actor.py is a supervisor as Ray's actor; cluster.py alone imports Ray: it makes, asks and ends the actors. A bot imports
nothing from here. Start with plan.py; docs/adr/0067 says why it is so.
"""
