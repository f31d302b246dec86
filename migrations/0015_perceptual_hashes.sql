-- 0015: pictures are found by their perceptual hash.
--
-- Why: a copy in greys looks like another picture to the model, and its hash is the same. Hashes that differ in few bits
-- are found through the four quarters of 16 bits: where at most 3 bits of 64 differ, some quarter is equal.

CREATE INDEX pictures_by_hash_0 ON pictures (perceptual_hash & 65535, perceptual_hash);
CREATE INDEX pictures_by_hash_1 ON pictures ((perceptual_hash >> 16) & 65535, perceptual_hash);
CREATE INDEX pictures_by_hash_2 ON pictures ((perceptual_hash >> 32) & 65535, perceptual_hash);
CREATE INDEX pictures_by_hash_3 ON pictures ((perceptual_hash >> 48) & 65535, perceptual_hash);
