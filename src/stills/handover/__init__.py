"""A film as files for editors, printers and spreadsheets."""
