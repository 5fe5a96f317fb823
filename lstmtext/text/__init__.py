"""Strings and ids: tokenizer, words, labels, spans, lexical features, batches. numpy only, no files."""
