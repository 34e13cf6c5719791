"""DL/T 645-2007 (and -1997): electricity meters on serial lines and behind DTUs. Reading only."""
