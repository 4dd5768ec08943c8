"""How a mail leaves: a relay of the operator's, or a Maildir."""
