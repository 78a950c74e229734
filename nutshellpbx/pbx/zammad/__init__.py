"""The generic CTI form of Zammad: newCall, answer, hangup (docs.zammad.org, "Generic CTI")."""
