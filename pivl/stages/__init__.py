"""The stages of training: who trains, on what, by which terms (Sec. 3.1, 3.3, 3.4; method.md 1.6, 1.7).

Door: prompt_tuning.tune_prompts (stage 1) and image_alignment.align_images (stage 2); each returns a pivl.loop.Fit.
Example: `for step in tune_prompts("identity-prompts", recipe, prompts, tokens, data): print(step.terms)`
"""
