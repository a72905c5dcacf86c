"""The views: they read what is asked, look whether it is permitted, call a service and show what it returned."""
