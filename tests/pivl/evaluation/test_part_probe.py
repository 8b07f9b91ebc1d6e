"""The probe of parts by neighbours against a loop over cells, and what it does not see."""

import math

import torch

from pivl.data.part_maps.labels import IGNORE
from pivl.evaluation.part_probe import TEMPERATURE, PartProbe, classify_by_neighbours


def drawn(cells: int = 30, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    feature = torch.randn(cells, 5, generator=generator)
    part = torch.randint(0, 4, (cells,), generator=generator)
    return feature, part, torch.arange(cells) % 6


def by_hand(feature, part, person, neighbours):
    counts = torch.zeros(4, 4, dtype=torch.int64)
    for cell in range(len(part)):
        others = [one for one in range(len(part)) if person[one] != person[cell]]
        cosine = {one: float(torch.cosine_similarity(feature[one], feature[cell], dim=0)) for one in others}
        nearest = sorted(others, key=lambda one: -cosine[one])[:neighbours]
        votes = [
            sum(math.exp(cosine[one] / TEMPERATURE) for one in nearest if part[one] == k) for k in range(4)
        ]
        counts[part[cell], votes.index(max(votes))] += 1
    return counts


def test_answers_equal_a_loop_over_cells_of_other_people():
    found = classify_by_neighbours(*drawn(), classes=4, neighbours=5)
    assert found.counts.tolist() == by_hand(*drawn(), neighbours=5).tolist()


def test_lengths_of_features_do_not_matter():
    feature, part, person = drawn()
    longer = feature * torch.linspace(0.1, 9, len(part))[:, None]
    assert (classify_by_neighbours(longer, part, person, 4).counts
            == classify_by_neighbours(feature, part, person, 4).counts).all()  # fmt: skip


def test_features_that_tell_only_people_say_nothing_of_parts_and_those_that_tell_parts_say_all():
    part, person = torch.arange(4).repeat(6), torch.arange(6).repeat_interleave(4)
    noise = 0.01 * torch.randn(24, 10, generator=torch.Generator().manual_seed(1))
    of_part = torch.nn.functional.one_hot(part, 10).float() + noise
    assert classify_by_neighbours(of_part, part, person, 4).accuracy == 1
    of_person = torch.nn.functional.one_hot(4 + person, 10).float() + noise
    assert classify_by_neighbours(of_person, part, person, 4).balanced < 0.6


def test_cells_of_one_person_have_no_neighbours():
    feature, part, person = drawn()
    assert math.isnan(classify_by_neighbours(feature, part, 0 * person, 4).accuracy)


def test_the_middle_cell_of_every_part_is_taken_and_none_of_background():
    part = torch.tensor([[[0, 1, 1], [1, 0, IGNORE]], [[3, 3, 2], [2, 2, 0]]])
    place = torch.arange(12.0).view(2, 1, 2, 3)  # the feature is the cell's own number
    probe = PartProbe(4, ())
    probe.add(place, part, torch.tensor([7, 8]))
    feature, kind, person = probe._cells[0]
    found = sorted(zip(feature[:, 0].tolist(), kind.tolist(), person.tolist(), strict=True))
    assert found == [(2, 1, 7), (6, 3, 8), (9, 2, 8)]
