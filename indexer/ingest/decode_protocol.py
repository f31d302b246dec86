"""What the pool and its workers say to each other over pipes.

    ready     READY, once, when a worker's imports are done and its limits stand
    request   length u64 · file
    answer    length u32 · JSON header · frames, each size × size × 3 bytes

The header is {"reason", "detail"} for a picture that was rejected, else the fields of DecodedPicture. JSON and raw
bytes, never a pickle: the pool trusts nothing that a process which reads strangers' files may write.
"""

from __future__ import annotations

import struct

READY = b"R"
REQUEST = struct.Struct("<Q")
ANSWER = struct.Struct("<I")
