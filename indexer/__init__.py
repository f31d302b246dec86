"""Afterimage's indexer: a server's picture history in, the nearest messages out. Knows no Discord and no screen."""

import os

# One thread for numpy's matrix products, said before numpy is imported: docs/adr/0063. Torch, OpenVINO and FAISS have
# threads of their own and do not read this.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
