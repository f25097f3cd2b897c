#!/usr/bin/env bash
# Writes the lock files beside this script from pyproject.toml. Needs uv on the PATH; run by `make lock`.
#
# torch and what only its CUDA build brings stay out of dev.txt: the CPU build has another version name
# on every index, so no hash can be stated for it (see install.sh).
set -euo pipefail
cd "$(dirname "$0")/.."

lock() { # lock NAME OPTION...
    local name=$1
    shift
    uv pip compile --quiet pyproject.toml --universal --python-version 3.11 --generate-hashes \
        --no-header --no-annotate --output-file "requirements/$name.txt" "$@"
}

cuda_only=(torch triton cuda-bindings cuda-pathfinder cuda-toolkit)
for library in cublas cuda-cupti cuda-nvrtc cuda-runtime cudnn-cu13 cufft cufile curand cusolver cusparse \
    cusparselt-cu13 nccl-cu13 nvjitlink nvshmem-cu13 nvtx; do
    cuda_only+=("nvidia-$library")
done

# First dev, whose versions then bind the others: what is served is what was tested.
lock dev --extra cpu --extra cluster --extra training --extra dev "${cuda_only[@]/#/--no-emit-package=}"
lock cpu --extra cpu --constraint requirements/dev.txt
lock gpu --extra gpu --constraint requirements/dev.txt
lock openvino --extra openvino --constraint requirements/dev.txt
lock cluster --extra cpu --extra cluster --constraint requirements/dev.txt
lock training --extra cpu --extra training --constraint requirements/dev.txt "${cuda_only[@]/#/--no-emit-package=}"
uv pip compile --quiet tests/kserve/requirements.in --universal --python-version 3.11 --generate-hashes \
    --no-header --no-annotate --output-file tests/kserve/requirements.txt
