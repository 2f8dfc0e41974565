-- Money in whole billionths of a US dollar (nano-USD), so that sums and caps are exact.
ALTER TABLE generations ADD COLUMN price_nano_usd INTEGER;
UPDATE generations SET price_nano_usd = CAST(round(min(price_usd, 1e6) * 1e9) AS INTEGER);
ALTER TABLE generations DROP COLUMN price_usd;
ALTER TABLE api_keys ADD COLUMN day_nano_usd INTEGER;
UPDATE api_keys SET day_nano_usd = CAST(round(min(day_usd, 1e9) * 1e9) AS INTEGER);
ALTER TABLE api_keys DROP COLUMN day_usd;
