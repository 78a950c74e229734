"""The PBX's side of a 3CX CRM template: loads the XML and runs it; shares no code with what wrote it."""
