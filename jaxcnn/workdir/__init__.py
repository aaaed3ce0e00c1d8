"""The folder of a run: written by training, read by evaluation and reports.

- `folder`: opens, locks and describes the folder; `changes`: allowed changes of a resumed run.
- `run_files`: reads its JSON files; `schemas`: the fields of each file.
- `run_config`, `run_data`: the run's config and dataset; `environment`: its versions and devices.
- `metrics_log`, `tensorboard`: one row per epoch and split.
- `checkpoints`, `checkpoint_damage`, `digests`, `orbax_fixes`: the saved states.
- `progress`, `position`: the host's figures in a checkpoint; the step counters.
- `phases`: the phases that have begun; `extending`: those of a run that gets more epochs.
- `weights`: the weights of a checkpoint in their network; `endings`: the reason a run ended.
"""
