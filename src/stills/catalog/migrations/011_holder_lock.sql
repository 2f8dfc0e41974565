-- Which byte of the file `…-holders` the process that holds the claim has locked; NULL without locks.
ALTER TABLE claims ADD COLUMN lock_byte INTEGER;
