"""From scores to answers: sampling, best paths, and the one generation loop."""
