"""Tests of the judges, and the language in which histories are planted for them."""
