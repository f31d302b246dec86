"""The worlds that tests use: invented guilds, libraries of pictures, indexes and running bots, shared by all rooms.

running_bot.py: the whole bot against the sandbox. pipeline_world.py: the pipeline over a real CDN. library.py: pictures
to search. index_world.py: places and vectors for the index. random_guilds.py: guilds with an oracle of who may read
what. records.py: single records. twin_worlds.py: two worlds that differ in what the asker may not see.
"""
