// Package dialecttest is the suite that every dialect must pass.
//
// A [Server] is a dialect on a core in memory, behind everything that a real server puts
// around it. Every exchange with it is checked against the dialect's OpenAPI document: the
// document must allow each answer, and a request that it forbids must not succeed.
//
// [Run] plays the golden exchanges in testdata/*.txtar. An archive is a scene:
// pairs of files NAME.request and NAME.response, played in order on a fresh
// server. A request is a method and a path, headers, an empty line and the body;
// a response is a status, the headers that matter, an empty line and the body.
// {{name}} in a response captures a text where the name is new and has to be
// the text captured before otherwise; {{*}} is any text; in a request {{name}}
// stands for what was captured. {{oaep TEXT}} is TEXT encrypted under the
// tenant's exchange key. {{tenant}} and {{key}} are there from the start: the
// default tenant's id and an administrator's API key. A body of one line "@form
// FIELD FILE" is a multipart form with that file; "@certify FIELD NAME" is one with
// a certificate that a CA issued for the request in PEM that was captured as NAME.
//
// [BadInput] plays the same exchanges, and before each good request sends every bad
// form of it that can be derived from the document: bad credentials, verbs and media
// types, each parameter and each field of the body malformed, missing, over-long,
// of the wrong type, unknown or another tenant's, broken and nested JSON, broken
// forms, 10 MB. What a schema forbids is a bad value, so a document that says more
// is tested more.
package dialecttest
