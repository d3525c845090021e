// SPDX-License-Identifier: Apache-2.0
//
// Holds Kubernetes objects, a JSON array on standard input, against the schemas in the package
// kubernetes-models: node kubernetes.mjs FOLDER-OF-THE-PACKAGE
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

for (const object of JSON.parse(readFileSync(0, "utf8"))) {
	const file = join(process.argv[2], object.apiVersion, object.kind + ".js");
	const models = await import(pathToFileURL(file));
	const model = new models[object.kind](object);
	model.validate();
	console.log(`${object.kind} ${object.metadata.name}`);
}
