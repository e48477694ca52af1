"""What an engineer does with a server's state: back it up, restore it, change the site's key."""
