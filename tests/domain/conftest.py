"""What tests of the domain share is found from the folders of its subjects."""
