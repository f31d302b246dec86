"""Tests write bytecode, also where PYTHONDONTWRITEBYTECODE is set, as in many containers.

Without it every process of the tests compiles all that it imports anew: 0.6 s of a processor for each start of a bot.
"""

import os
import sys

sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
