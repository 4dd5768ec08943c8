"""The operations of verification by mail: links, templates, and how often somebody is written to."""
