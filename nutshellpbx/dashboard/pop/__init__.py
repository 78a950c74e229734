"""Pages that a desktop opens by ticket in mid-ring: the chooser and our own new-contact form."""
