"""What the pool and its workers say to each other over pipes.

    ready     length u32 · JSON {part of the lock-down: why it is not in force, "" where it is}, once
    request   length u64 · seconds of processor time f64 · file
    answer    length u32 · JSON header · frames, each size × size × 3 bytes

The header is {"reason", "detail"} for a picture that was rejected, else the fields of DecodedPicture. JSON and raw
bytes, never a pickle: the pool trusts nothing that a process which reads strangers' files may write.
"""

from __future__ import annotations

import struct

REQUEST = struct.Struct("<Qd")
ANSWER = struct.Struct("<I")
