"""Files, streams and hub datasets in; typed records and encoded datasets out."""
