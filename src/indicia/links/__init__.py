"""The pages behind the links of a verification mail."""
