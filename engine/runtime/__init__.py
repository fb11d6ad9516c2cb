"""The seam to the engine: sessions, storage and expressions that mean the same on Spark and on the embedded engine."""
