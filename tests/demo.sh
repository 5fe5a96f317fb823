#!/bin/sh
# The demo of `make demo`: asks the English bundle that comes with lstmtext, then trains a classifier, a tagger and a
# language model on data/ and uses them in pipes.
set -eu

show() {
    printf '\n$ %s\n' "$1"
    sh -c "$1"
}

show 'echo "I loved it." | lstmtext classify'
show 'echo "Ms Haugen flew from Oslo to Lisbon ." | lstmtext tag --head upos --head ner'
show 'lstmtext generate --prompt "The film" --max-tokens 40'
show 'lstmtext train data/reviews.csv -o checkpoints/reviews'
show 'lstmtext train data/entities.conll -o checkpoints/entities'
show 'lstmtext train data/prose.txt -o checkpoints/prose --budget 45s'
show 'echo "The room was clean and the staff were friendly." | lstmtext classify -m checkpoints/reviews'
show 'printf "Waste of money, it broke.\nLovely, we will come again.\n" | lstmtext classify -m checkpoints/reviews --format jsonl'
show 'echo "Mr Haugen flew from Oslo to Lisbon." | lstmtext tag -m checkpoints/entities --format inline'
show 'echo "Anna works in Oslo." | lstmtext tag -m checkpoints/entities'
show 'lstmtext generate -m checkpoints/prose --prompt "The ferry" --max-tokens 60'
show 'lstmtext evaluate data/reviews.csv -m checkpoints/reviews'
