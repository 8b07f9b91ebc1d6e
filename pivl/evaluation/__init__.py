"""A model is scored: retrieval, re-ranking, consistency within parts, cost at inference.

Door: pivl.evaluation.retrieval.score; pivl.evaluation.assessment.assess for all of it.
Example: `score(model.embed, split).average_precision`
"""
