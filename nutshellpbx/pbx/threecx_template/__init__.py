"""3CX's server-side CRM template: the phone system asks who calls, and reports each call after its end."""
