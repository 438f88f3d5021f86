"""Topics of newsgroups by a replicated softmax: held-out perplexity and the words of each topic.

    python tests/benchmarks/topics.py [--topics 12] [--epochs 20] [--seed 0]

CD-1 in batches of 100; perplexity of the first 200 test articles, log Z of each length
exact. Needs the set `newsgroups` (`DGMPPL_DATA`).
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial

import torch

from dgmppl.data import load
from dgmppl.data.newsgroups import vocabulary
from dgmppl.evaluation import perplexity, unigram_perplexity
from dgmppl.models.replicated_softmax import ReplicatedSoftmax, recipes
from dgmppl.objectives import ContrastiveDivergence


def main() -> None:
    """Learns, scores, prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--topics", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    recipe = replace(
        recipes["replicated-softmax"],
        program=partial(ReplicatedSoftmax, topics=options.topics),
        data=partial(load, name="newsgroups"),
        objective=ContrastiveDivergence(1),
        epochs=options.epochs,
        batch_size=100,
    )
    run = recipe.learn(seed=options.seed, progress=False)
    train, test = (recipe.data(split=split).values for split in ("train", "test"))
    torch.manual_seed(options.seed)
    print(f"{run.seconds:.0f} s; {perplexity(run.program, test[:200])}")
    print(f"single words: {unigram_perplexity(train, test[:200])}")
    words = vocabulary()
    for column in run.program.W.detach().T:
        print(*(words[i] for i in column.topk(10).indices))


if __name__ == "__main__":
    main()
