#!/bin/sh
# All of the README at once, in a folder of its own, and the server stopped again.
# Needs penstock and the AWS CLI on the path, and is run from the root of the
# repository: sh examples/custom-action/run.sh
set -eu

folder=$(mktemp -d)
server=
finish() {
	[ -z "$server" ] || { kill "$server" && wait "$server" || true; }
	rm -rf "$folder"
}
trap finish EXIT

penstock serve --listen 127.0.0.1:0 --data "$folder/data" &
server=$!
environment=$(penstock env --data "$folder/data" --wait)
eval "$environment"
for bucket in custom-artifacts custom-result custom-source; do
	aws s3api create-bucket --bucket "$bucket"
done
aws s3api put-bucket-versioning --bucket custom-source --versioning-configuration Status=Enabled
git archive --format=zip --output="$folder/site.zip" HEAD:examples/website/site
aws s3 cp "$folder/site.zip" s3://custom-source/site.zip
aws codepipeline create-custom-action-type --cli-input-json file://examples/custom-action/action-type.json
aws codepipeline create-pipeline --cli-input-json file://examples/custom-action/pipeline.json

penstock worker --type Build/Contents/1 --once -- sh examples/custom-action/contents.sh

status=InProgress tries=0
while [ "$status" = InProgress ] && [ $((tries += 1)) -le 60 ]; do
	status=$(aws codepipeline list-pipeline-executions --pipeline-name custom \
		--query 'pipelineExecutionSummaries[0].status' --output text)
done
echo "The execution is $status."
[ "$status" = Succeeded ]
aws s3 cp s3://custom-result/contents.txt -
