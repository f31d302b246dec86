-- 0026: the colours of places, side by side.
--
-- Why: `color:red` asks for the colours of every picture in the question's channels. Four rows in three trees were read for each
-- of them, and a function in Python was called: 0.5 s for 100,000 pictures (docs/adr/0056). Here they lie in the order of
-- their channels, 62 bytes each, so a question reads its own channels from end to end, and nothing of others. A row is
-- here where a place is ready and its picture has colours. Triggers keep it so, whoever writes.

CREATE TABLE place_colours (
    channel_id INTEGER NOT NULL, -- the message's
    message_id INTEGER NOT NULL,
    place_id   INTEGER NOT NULL,
    colours    BLOB NOT NULL, -- the picture's
    PRIMARY KEY (channel_id, message_id, place_id)
) STRICT, WITHOUT ROWID;

INSERT INTO place_colours (channel_id, message_id, place_id, colours)
SELECT m.channel_id, p.message_id, p.place_id, c.colours
FROM messages m JOIN places p USING (message_id) JOIN pictures c USING (picture_id)
WHERE p.state = 'ready' AND c.colours IS NOT NULL ORDER BY 1, 2, 3;

CREATE TRIGGER place_colours_insert AFTER INSERT ON places WHEN new.state = 'ready' BEGIN
    INSERT INTO place_colours (channel_id, message_id, place_id, colours)
    SELECT m.channel_id, new.message_id, new.place_id, c.colours FROM messages m JOIN pictures c
    WHERE m.message_id = new.message_id AND c.picture_id = new.picture_id AND c.colours IS NOT NULL;
END;
CREATE TRIGGER place_colours_update AFTER UPDATE OF place_id, message_id, picture_id, state ON places
WHEN (old.state = 'ready' OR new.state = 'ready') AND (old.state != new.state OR old.picture_id IS NOT new.picture_id
    OR old.message_id != new.message_id OR old.place_id != new.place_id)
BEGIN
    DELETE FROM place_colours
    WHERE channel_id = (SELECT channel_id FROM messages WHERE message_id = old.message_id)
        AND message_id = old.message_id AND place_id = old.place_id;
    INSERT INTO place_colours (channel_id, message_id, place_id, colours)
    SELECT m.channel_id, new.message_id, new.place_id, c.colours FROM messages m JOIN pictures c
    WHERE new.state = 'ready' AND m.message_id = new.message_id AND c.picture_id = new.picture_id
        AND c.colours IS NOT NULL;
END;
-- Of a message that is deleted no place knows the channel any more: its rows go before it does.
CREATE TRIGGER place_colours_message_delete BEFORE DELETE ON messages BEGIN
    DELETE FROM place_colours WHERE channel_id = old.channel_id AND message_id = old.message_id;
END;
CREATE TRIGGER place_colours_delete BEFORE DELETE ON places WHEN old.state = 'ready' BEGIN
    DELETE FROM place_colours
    WHERE channel_id = (SELECT channel_id FROM messages WHERE message_id = old.message_id)
        AND message_id = old.message_id AND place_id = old.place_id;
END;
CREATE TRIGGER place_colours_message_move AFTER UPDATE OF channel_id ON messages WHEN old.channel_id != new.channel_id
BEGIN
    UPDATE place_colours SET channel_id = new.channel_id
    WHERE channel_id = old.channel_id AND message_id = new.message_id;
END;
-- Pixels that are read again give colours to a picture that had none. Answers are remembered by the version of the guild's
-- index, of which word_edits is a part.
CREATE TRIGGER place_colours_read_again AFTER UPDATE OF colours ON pictures WHEN old.colours IS NOT new.colours BEGIN
    DELETE FROM place_colours WHERE (channel_id, message_id, place_id) IN (
        SELECT m.channel_id, p.message_id, p.place_id FROM places p JOIN messages m USING (message_id)
        WHERE p.picture_id = new.picture_id);
    INSERT INTO place_colours (channel_id, message_id, place_id, colours)
    SELECT m.channel_id, p.message_id, p.place_id, new.colours FROM places p JOIN messages m USING (message_id)
    WHERE p.picture_id = new.picture_id AND p.state = 'ready' AND new.colours IS NOT NULL;
    INSERT INTO word_edits (guild_id, edits) SELECT DISTINCT guild_id, 1 FROM places WHERE picture_id = new.picture_id
    ON CONFLICT (guild_id) DO UPDATE SET edits = edits + 1;
END;
