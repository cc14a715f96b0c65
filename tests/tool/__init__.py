"""Tests of the tool alone: no generated project, nothing built."""
