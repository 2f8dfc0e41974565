-- A call for several images has a row in the ledger for each: the number of the first of them, in all.
ALTER TABLE sends ADD COLUMN call_number INTEGER;
