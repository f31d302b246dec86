-- 0004: the model that every picture of a guild has been tried with.
--
-- Why: after a change of the model the old one answers until the new one covers the guild. Some pictures can never be
-- embedded anew, since their links are dead. So "covers" means that a run has tried each of them.

CREATE TABLE tried_models (
    guild_id INTEGER PRIMARY KEY REFERENCES guilds ON DELETE CASCADE,
    model_id INTEGER NOT NULL REFERENCES models ON DELETE CASCADE
) STRICT;
CREATE INDEX tried_models_by_model ON tried_models (model_id);
