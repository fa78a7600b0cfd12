"""What users want: who there is, who talks where, and when; fixed from the seed before a run and shared by both worlds."""
