"""A practice Nutshell: a real HTTP server with the REST API, the pages and the bad days of the CRM."""
