-- The prompts of stored images by their trigrams, so that a search need not read every row. Python
-- folds more letters than the tokenizer does, so it does the folding.
CREATE VIRTUAL TABLE prompts USING fts5 (
    prompt, content = '', tokenize = 'trigram case_sensitive 1'
);
INSERT INTO prompts (rowid, prompt)
SELECT sequence, folded(prompt) FROM generations WHERE stage = 'kept';

CREATE INDEX generations_by_model ON generations (model, sequence);
CREATE INDEX generations_by_style ON generations (style, sequence) WHERE style IS NOT NULL;
CREATE INDEX generations_by_seed ON generations (seed, sequence);
CREATE INDEX generations_unfinished ON generations (sequence)
WHERE stage IN ('sent', 'answered', 'spooled');
CREATE INDEX sends_possible ON sends (generation_id) WHERE billing = 'possible';
