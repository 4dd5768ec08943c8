"""What tests of the wire share is found from the folders of its protocols."""
