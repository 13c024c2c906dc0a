#!/bin/sh
# The commands that wrote the files beside this one: `sh make.sh FOLDER`, with the version to be kept on the PYTHONPATH.
# What is not kept is removed at the end.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir "$1" && cd "$1"
export OMP_NUM_THREADS=1
sccan() { python -m sccan "$@"; }

# Segmentation: a base learner, SCCAN on its backbone (stopped in its last epoch), BAM on all of it.
sccan generate_shapes data/shapes --train 120 --test 60 --size 65 --workers 1 --seed 7
shapes="DEVICE cpu DATA.ROOT data/shapes DATA.MIN_PIXELS 20 DATA.SKIP_SMALL_CLASSES True DATA.MEMORY_GB 0 DATA.CACHE cache
  BACKBONE.SMALL.STEM [4,4,8] BACKBONE.SMALL.WIDTHS [8,8,12,12] BACKBONE.SMALL.BLOCKS [1,1,1,1]
  METHOD.PSPNET.CHANNELS 8 METHOD.BAM.CHANNELS 8 METHOD.SCCAN.CHANNELS 8 METHOD.SCCAN.GRID [8,8] METHOD.SCCAN.HEADS 2
  TRAIN.EPOCHS 5 TRAIN.EPISODES_PER_EPOCH 240 TRAIN.BATCH_SIZE 8 TRAIN.CACHE_VIEWS 0 TRAIN.LOG_EVERY 5
  TRAIN.SIZE [65,65] VALIDATE.EPISODES 12 VALIDATE.EVERY 1.0
  TEST.SIZE 65 TEST.EPISODES 8 TEST.SEEDS [1] TEST.BATCH_SIZE 2 TEST.BASELINES False"
sccan train --config=config/shapes/shapes_split0_pspnet.yaml --opts $shapes TRAIN.EPOCHS 60 VALIDATE.EVERY 60.0 TRAIN.LOG_EVERY 100
config=config/shapes/shapes_split0_sccan_pspnet.yaml
fast="METHOD.SCCAN.FEATURE_DROPOUT 0.0 METHOD.BAM.FEATURE_DROPOUT 0.0 OPTIM.head.LR 0.02"
shapes="$shapes $fast TRAIN.BALANCED False"
sccan="$shapes OPTIM.transformer.LR 0.01"
run=runs/shapes_split0_sccan_pspnet
sccan train --config=$config --opts $sccan TRAIN.MAX_MINUTES 0.5 || true  # some steps, then out of time
until grep -q '"epoch": 4' $run/log.jsonl; do
  sccan train --resume --config=$config --opts $sccan TRAIN.MAX_MINUTES 0.5 || true
done
sccan test --config=$config --opts $sccan
little="TRAIN.EPOCHS 1 TRAIN.EPISODES_PER_EPOCH 48 OPTIM.head.LR 0.002"  # more makes it sure that nothing is there
sccan train --config=config/shapes/shapes_split0_bam.yaml --opts $shapes $little

# Classification: a prepared data set of noise, CAN, SpatialFormer, and TasNet on stored features and word vectors.
python - <<'END'
from pathlib import Path
import numpy as np
from PIL import Image
for number, split in enumerate(("train", "val", "test")):
    for shade in range(4):
        for picture in range(6):
            path = Path("source", split, f"{split}{shade}", f"{picture}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng([number, shade, picture]).integers(0, 128, (16, 16, 3))
            Image.fromarray((noise + 40 * shade % 128).astype(np.uint8)).save(path)
words = np.random.default_rng(7).normal(size=(12, 6)).round(4).tolist()
names = [f"{split}{shade}" for split in ("train", "val", "test") for shade in range(4)]
Path("glove.txt").write_text("".join(f"{n} {' '.join(map(str, w))}\n" for n, w in zip(names, words)))
END
sccan prepare_classification --source source --to data/noise --name noise
sccan prepare_words glove.txt --to data/words
noise="DEVICE cpu DATA.ROOT data/noise DATA.NAME noise DATA.CLASS_LIST '' DATA.ON_DEVICE False DATA.WORKERS 0
  BACKBONE.RESNET12.STEM 4 BACKBONE.RESNET12.WIDTHS [4,4,6,8] BACKBONE.RESNET12_POOLED.WIDTHS [4,4,6,8]
  PICTURE.SIZE [20,24] EPISODE.WAYS 3 EPISODE.QUERIES 3 EPISODE.TRAIN_QUERIES 2
  TRAIN.EPOCHS 2 TRAIN.EPISODES_PER_EPOCH 40 TRAIN.BATCH_SIZE 2 VALIDATE.EPISODES 3
  TEST.EPISODES 6 TEST.SEEDS [1] TEST.BATCH_SIZE 2"
tasnet="BACKBONE.WEIGHTS runs/tasnet_cpu_pretrain METHOD.TASNET.FEATURES data/features METHOD.TASNET.VECTORS data/words
  METHOD.TASNET.WORD_SIZE 6 METHOD.TASNET.NAME_RULE whole METHOD.TASNET.STEPS 5 METHOD.TASNET.VISUAL_SHARE 0.9"
sccan train --config=config/cifar_fs/can_cpu_5w1s.yaml --opts $noise
sccan test --config=config/cifar_fs/can_cpu_5w1s.yaml --opts $noise
square="PICTURE.SIZE [24,24]"  # SpatialFormer rotates its pictures
sccan train --config=config/cifar_fs/spatialformer_cpu_5w1s.yaml --opts $noise $square METHOD.SPATIALFORMER.TUNING_STEPS 5
sccan train --config=config/cifar_fs/tasnet_cpu_pretrain.yaml --opts $noise
sccan extract_features --config=config/cifar_fs/tasnet_cpu_5w1s.yaml --opts $noise $tasnet
sccan train --config=config/cifar_fs/tasnet_cpu_5w1s.yaml --opts $noise $tasnet
sccan test --config=config/cifar_fs/tasnet_cpu_5w1s.yaml --opts $noise $tasnet

# One's own pictures: an example with its mask, two photos, and what `segment` leaves of them.
mkdir -p examples photos
python - <<'END'
from pathlib import Path
import shutil
import numpy as np
from PIL import Image
root = Path("data/shapes")
for name, line in zip("eab", (root / "val.txt").read_text().splitlines()):
    image, label = line.split()
    if name != "e":
        shutil.copy(root / image, f"photos/{name}.jpg")
        continue
    shutil.copy(root / image, "examples/1.jpg")
    values = np.array(Image.open(root / label))
    mask = values == np.bincount(values[(values > 0) & (values < 255)]).argmax()
    Image.fromarray(mask.astype(np.uint8) * 255).save("examples/1.png")
END
sccan segment --model $run/best.safetensors --support examples --images photos --out out --device cpu --batch 1

# What belongs to a machine or can be made again, and numbers to compare with.
rm -rf runs/*/tensorboard runs/*/.lock cache source glove.txt
for run in shapes_split0_bam spatialformer_cpu_5w1s; do
  find runs/$run -mindepth 1 ! -name best.safetensors -delete
done
for run in shapes_split0_pspnet can_cpu_5w1s tasnet_cpu_pretrain tasnet_cpu_5w1s; do
  rm runs/$run/last.pt
done
python - <<'END'
import json
from pathlib import Path
for path in Path("runs").glob("*/environment.json"):
    last = json.loads(path.read_text())[-1]
    path.write_text(json.dumps([{**last, "command": ["sccan", *last["command"][1:]]}], indent=2) + "\n")
END
cp "$here/published.yaml" .
PYTHONPATH="$here/../..:$PYTHONPATH" python - >"expected.json" <<'END'
import json
from contextlib import redirect_stdout
from io import StringIO
from tests.test_stored_files import measured
with redirect_stdout(StringIO()):
    found = measured()
print(json.dumps(found, indent=1))
END
rm -r data/shapes continued
