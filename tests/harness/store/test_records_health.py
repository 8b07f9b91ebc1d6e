"""The health in a record: read with the run and with its re-ranked scores, and none in records of before."""

import math

from harness.store.records import Results
from tests.support.recorded_runs import complain, draw_run, write_finished


def test_health_is_read_with_a_run_and_with_its_reranked_scores_and_is_none_in_a_run_of_before(tmp_path):
    results = Results(tmp_path / "results", complain)
    before, run = draw_run(seed=1), draw_run(seed=2)
    write_finished(results, before)
    folder = write_finished(results, run, health={"skill": 0.25, "skill_beyond_parts": None})
    record = {**results.read_record(folder), "id": f"{run.id}-reranked"}
    del record["health"]
    scores = (folder / "queries.parquet").read_bytes()
    results.write(
        results.reranked_folder(run.id), record, {"queries.parquet": lambda path: path.write_bytes(scores)}
    )
    for found in (results.read_run(run.id), results.read_reranked(run.id)):
        assert found.health["skill"] == found.figures["health/skill"] == 0.25
        assert math.isnan(found.health["skill_beyond_parts"])
        assert found.figures["mAP"] == found.metrics["mAP"]
    assert results.read_run(before.id).health == {}
