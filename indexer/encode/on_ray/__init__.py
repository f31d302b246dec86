"""Encoders elsewhere: a pool of models in a Ray cluster, reached by a process of its own, which alone imports Ray.

driver.py is that process: it speaks the protocol of the model's process, so the bot's side (../encoder.py) is the same.
pool.py chooses an encoder for each batch and knows nothing of Ray; actors.py is the pool's way to Ray's actors, and
replica.py runs in the cluster, as an actor with a model's process of its own. one_node.py is a Ray of one machine, for
`afterimage encoder`. The bot imports nothing from here. Start with driver.py; docs/adr says why it is so.
"""
