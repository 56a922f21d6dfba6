#!/usr/bin/env bash
# The embedded cluster's counterpart for machines with Docker: kind, CloudNativePG, MinIO and this tree's operator.
# Prints shell exports and nothing else on standard output:   eval "$(test/kind/up.sh)" && npm run demo
# NOT TESTED: the project's own machines have no Docker. Needs docker, kind, kubectl and curl on the PATH.
set -euo pipefail
cd "$(dirname "$0")/../.."
exec 3>&1 1>&2

cnpg=$(sed -n 's|.*cloudnative-pg/cloudnative-pg v||p' test/cluster/go/cnpg/go.mod | cut -d' ' -f1 | head -n1)
work=${TMPDIR:-/tmp}/holdfast-kind
export KUBECONFIG=$work/kubeconfig
access=holdfast
secret=holdfast-test-secret

mkdir -p "$work"
kind get clusters | grep -qx holdfast || kind create cluster --config test/kind/kind.yaml --wait 120s
kind get kubeconfig --name holdfast > "$KUBECONFIG"

# On kind's own network the store's address is good from pods and, on Linux, from this machine.
docker inspect holdfast-minio > /dev/null 2>&1 || docker run --detach --name holdfast-minio --network kind \
  --env MINIO_ROOT_USER="$access" --env MINIO_ROOT_PASSWORD="$secret" \
  --entrypoint sh docker.io/minio/minio:latest -c 'mkdir -p /data/backups && exec minio server /data'
address=$(docker inspect --format '{{.NetworkSettings.Networks.kind.IPAddress}}' holdfast-minio)

release=https://github.com/cloudnative-pg/cloudnative-pg/releases/download/v$cnpg/cnpg-$cnpg.yaml
curl --fail --silent --show-error --location "$release" | kubectl apply --server-side --force-conflicts -f -
kubectl --namespace cnpg-system rollout status deployment/cnpg-controller-manager --timeout 180s

# The tag follows the content, so that a changed tree is rolled out.
docker build --file Containerfile --tag holdfast:kind .
tag=$(docker image inspect --format '{{.Id}}' holdfast:kind | cut -d: -f2 | cut -c1-12)
docker tag holdfast:kind "docker.io/holdfast/holdfast:$tag"
kind load docker-image --name holdfast "docker.io/holdfast/holdfast:$tag"
cat > "$work/kustomization.yaml" <<K
resources: ["$(realpath --relative-to "$work" config/default)"]
images: [{name: holdfast, newName: docker.io/holdfast/holdfast, newTag: "$tag"}]
K
kubectl apply --server-side --force-conflicts -k "$work"
kubectl --namespace cnpg-system rollout status deployment/holdfast --timeout 180s
# The API server asks the operator before it stores anything of ours, which begins a moment later.
timeout 60 sh -c 'until kubectl create --dry-run=server -f examples/backup.yaml > /dev/null; do sleep 1; done'

cat >&3 <<K
export HOLDFAST_EXTERNAL=1
export KUBECONFIG='$KUBECONFIG'
export HOLDFAST_POSTGRES_IMAGE='ghcr.io/cloudnative-pg/postgresql:15'
export HOLDFAST_POSTGRES_IMAGE_17='ghcr.io/cloudnative-pg/postgresql:17'
export HOLDFAST_S3_ENDPOINT='http://$address:9000'
export AWS_ACCESS_KEY_ID='$access'
export AWS_SECRET_ACCESS_KEY='$secret'
K
