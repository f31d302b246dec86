"""The messages between the pool and its workers, over pipes.

    ready     length u32 · JSON {part of the lock-down: why it is not in force, "" where it is}, once; or {CANNOT_START:
              why}
    request   length u64 · seconds of processor time f64 · whether a thumbnail is wanted u8 · length of a second file
              u64, 0 where there is none · file · second file
    answer    length u32 · JSON header · frames, each size × size × 3 bytes · thumbnail, width × height × 3 bytes

The header is {"reason", "detail"} for a picture that was rejected, or else the fields of DecodedPicture, with
`thumbnail` as [width, height] or null, and `moments` as [[milliseconds, hash], …]. Where there is a second file, the
two pictures are compared: the header is then {"copy": the fields of Copy, or null}, and no pixels follow. The messages
are JSON and raw bytes, never pickles: a worker reads untrusted files, so the pool must not trust what it writes.
"""

from __future__ import annotations

import struct

REQUEST = struct.Struct("<Qd?Q")
ANSWER = struct.Struct("<I")
CANNOT_START = "cannot start"
