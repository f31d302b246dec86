-- 0028: saved searches are told of words that are read in pictures later.
--
-- Why: a picture becomes searchable before its words are read, and its line (0023) is dealt with by then. So what is known to be said
-- by a picture for the first time writes one more line for each message that somebody waits for. A search has a look at the
-- picture twice then, and must tell once: what was told is remembered, the newest of each search (docs/adr/0052).

CREATE TABLE saved_told (
    saved_id INTEGER NOT NULL REFERENCES saved_notices ON DELETE CASCADE,
    place_id INTEGER NOT NULL REFERENCES places ON DELETE CASCADE,
    PRIMARY KEY (saved_id, place_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX saved_told_by_place ON saved_told (place_id);

CREATE TRIGGER new_pictures_saved_text AFTER INSERT ON picture_texts BEGIN
    INSERT INTO new_pictures (follower, guild_id, place_id)
    SELECT 'saved searches', p.guild_id, p.place_id FROM places p JOIN messages m USING (message_id)
    WHERE p.picture_id = new.picture_id AND p.state = 'ready' AND m.origin_id = 0
        AND EXISTS (SELECT 1 FROM saved_notices n WHERE n.guild_id = p.guild_id AND n.after_id < p.message_id)
        AND NOT EXISTS (SELECT 1 FROM new_pictures w WHERE w.place_id = p.place_id AND w.follower = 'saved searches');
END;
