/** What shows that the client does what an entry of the checklist asks for: the full title of a test. */
type Proof = string;

const NO_FILTER = 'The client asks for all that refers to a digest.';
const NO_CHUNK_STREAM = 'Blobs lie in the store before they are pushed: their length is always known.';
const OF_REGISTRY = 'It asks something of a registry that the client never makes use of.';
const SERVER_ONLY = 'It is about what a registry keeps; the test against docker-registry sees it from outside.';
const NO_DELETE = 'The client deletes manifests alone, by digest.';
const NO_POST_ONLY = 'The client never sends a blob with the POST.';

/** Tests by the id of the entry. */
export const PROVEN: Readonly<Record<string, Proof>> = {
  'general/ping': 'Basic authentication decides ping, for login',
  'general/ping-login': 'Basic authentication decides ping, for login',
  'general/ping-missing': 'errors tell a host that is no registry',
  'general/name-syntax': 'parseReference() refuses names that no repository has',
  'general/name-length': 'parseReference() takes a long name',
  'general/tag-syntax': 'parseReference() refuses tags that are none',
  'general/reference-kind': 'fetchManifest() asks for the digest of a reference that has a tag, too',
  'general/redirect':
    'fetchBlob() follows a redirect to another origin without its credentials, and verifies what comes',
  'general/redirect-no-credentials':
    'fetchBlob() follows a redirect to another origin without its credentials, and verifies what comes',
  'general/error-body': 'errors show the code and message of the registry, without control characters and secrets',
  'general/error-body-other': 'errors survive a body that is HTML, or is cut',
  'general/error-code-unknown':
    'errors show the code and message of the registry, without control characters and secrets',
  'general/too-many-requests': 'retries waits as long as Retry-After says, in seconds or as a date',
  'general/too-many-requests-bare': 'retries asks again after 429',
  'general/warning-shown': 'errors pass warnings of the registry on, each once',
  'general/warning-no-action': 'errors pass warnings of the registry on, each once',
  'general/content-type-parameters':
    'fetchManifest() gives the exact bytes, the type without parameters, and the digest',
  'general/digest-header-absent': 'resolve() falls back to GET where HEAD is refused, or says too little',
  'auth/basic': 'Basic authentication answers the challenge, and sends the credentials at once from then on',
  'auth/bearer': 'token authentication asks the realm for the rights that are needed, once for a repository',
  'auth/bearer-no-scope': 'token authentication leaves the scope out where the challenge has none',
  'auth/bearer-relative-realm': 'token authentication accepts a realm without a host, any case, and either token field',
  'auth/token-fields': 'token authentication accepts a realm without a host, any case, and either token field',
  'auth/token-failed': 'token authentication reports a refused login',
  'auth/scheme-case': 'token authentication accepts a realm without a host, any case, and either token field',
  'auth/cache': 'token authentication fetches one token for many requests at once',
  'auth/upload-body-again': 'pushBlob() sends the whole body again after a login in the middle',
  'auth/denied': 'token authentication does not ask without end when rights are missing',
  'pull/manifest-by-tag': 'fetchManifest() gives the exact bytes, the type without parameters, and the digest',
  'pull/manifest-by-digest': 'fetchManifest() asks for the digest of a reference that has a tag, too',
  'pull/manifest-content-type': 'fetchManifest() refuses a document that contradicts its Content-Type',
  'pull/manifest-digest-verified': 'fetchManifest() refuses other bytes than the digest names',
  'pull/manifest-digest-header': 'fetchManifest() refuses bytes that contradict Docker-Content-Digest',
  'pull/manifest-missing-tag': 'fetchManifest() tells what is missing as not found',
  'pull/manifest-missing-digest': 'fetchManifest() tells what is missing as not found',
  'pull/repository-missing': 'fetchManifest() tells what is missing as not found',
  'pull/manifest-bad-digest-format': 'parseReference() refuses digests that are none',
  'pull/manifest-head-tag': 'resolve() needs one HEAD',
  'pull/manifest-head-digest': 'pullImage() needs one HEAD when everything is here, and no request at all for a digest',
  'pull/manifest-head-missing': 'resolve() tells what is missing as not found',
  'pull/blob': 'fetchBlob() never gives the last chunk out when the digest is wrong',
  'pull/blob-missing': 'fetchBlob() tells a missing blob as not found',
  'pull/blob-short': 'fetchBlob() takes an answer that ends early, but properly, as a lost connection',
  'pull/blob-empty': 'fetchBlob() fetches a blob of no bytes',
  'pull/blob-head': 'pushBlob() skips a blob that is there with one HEAD',
  'pull/blob-head-missing': 'pushBlob() sends a blob in one PUT, and tells how far it is',
  'pull/blob-redirect':
    'fetchBlob() follows a redirect to another origin without its credentials, and verifies what comes',
  'pull/range-resume': 'fetchBlob() resumes by Range after the connection was cut, and joins the parts',
  'pull/range-ignored': 'fetchBlob() begins again where the registry ignores Range',
  'pull/range-unsatisfiable': 'fetchBlob() takes the whole blob where the registry refuses the range with 416',
  'pull/index-nested': 'pullImage() goes through nested indexes, to a depth',
  'pull/index-empty': 'pullImage() names the platforms that there are',
  'pull/index-sparse': 'pullImage() fetches the image of the wanted platform, and nothing of the others',
  'pull/large-manifest': 'fetchManifest() reads manifests of 4 MB, and not more than it should',
  'push-monolithic/start': 'pushBlob() sends a blob in one PUT, and tells how far it is',
  'push-monolithic/location-missing': 'pushBlob() fails clearly when the registry does not say where to upload',
  'push-monolithic/location-relative': 'pushBlob() uses a location that is relative',
  'push-monolithic/location-absolute': 'pushBlob() uses a location that is absolute',
  'push-monolithic/location-query': 'pushBlob() uses a location that is with a query',
  'push-monolithic/put': 'pushBlob() sends a blob in one PUT, and tells how far it is',
  'push-monolithic/bad-digest': 'pushBlob() reports bytes that the registry finds to be others',
  'push-monolithic/empty-blob': 'pushBlob() pushes a blob of no bytes',
  'push-monolithic/skip-existing': 'pushBlob() skips a blob that is there with one HEAD',
  'push-monolithic/upload-lost': 'pushBlob() begins a new upload where the registry forgot the old one',
  'push-monolithic/cancel': 'pushBlob() gives the upload up when it is cancelled',
  'push-chunked/start':
    'pushBlob() goes over to chunks where whole blobs are too large, and halves them until they fit',
  'push-chunked/start-algorithm': 'pushBlob() names the algorithm of a digest that is not sha256',
  'push-chunked/min-length': 'pushBlob() sends no chunk smaller than the registry wants',
  'push-chunked/patch': 'pushBlob() goes on with PATCH from where the registry got it, when the connection was lost',
  'push-chunked/patch-accepted': 'pushBlob() goes on from the end of a range that is shorter than the chunk',
  'push-chunked/next-location': 'pushBlob() resumes again and again',
  'push-chunked/order':
    'pushBlob() goes over to chunks where whole blobs are too large, and halves them until they fit',
  'push-chunked/out-of-order': 'pushBlob() asks where it is after 416',
  'push-chunked/status': 'pushBlob() goes on with PATCH from where the registry got it, when the connection was lost',
  'push-chunked/resume': 'pushBlob() resumes again and again',
  'push-chunked/partial-accept': 'pushBlob() goes on from the end of a range that is shorter than the chunk',
  'push-chunked/close':
    'pushBlob() goes over to chunks where whole blobs are too large, and halves them until they fit',
  'push-chunked/close-always':
    'pushBlob() goes on with PATCH from where the registry got it, when the connection was lost',
  'push-chunked/bad-digest': 'pushBlob() reports bytes that the registry finds to be others',
  'mount/mounted': 'pushBlob() mounts a blob from a neighbour',
  'mount/not-mounted': 'pushBlob() uploads at the location of a mount that was not made',
  'mount/missing': 'pushBlob() uploads at the location of a mount that was not made',
  'mount/rights': 'token authentication asks for several rights in one token to mount from another repository',
  'mount/other-registry': 'pushImage() mounts what comes from another repository of the same registry',
  'mount/failed': 'pushBlob() uploads plainly where a mount is answered with 404',
  'push-manifest/order': 'pushImage() sends layers, then the config, then the manifest',
  'push-manifest/by-tag': 'pushManifest() puts the exact bytes under the tag, and asks only once they are there',
  'push-manifest/by-digest': 'pushImage() sends an index after its members, and shared blobs once',
  'push-manifest/content-type': 'pushManifest() puts the exact bytes under the tag, and asks only once they are there',
  'push-manifest/exact-bytes': 'pushManifest() puts the exact bytes under the tag, and asks only once they are there',
  'push-manifest/digest-header':
    'pushManifest() reports what the registry misses, its size limit, and a digest that differs',
  'push-manifest/blob-unknown':
    'pushManifest() reports what the registry misses, its size limit, and a digest that differs',
  'push-manifest/too-large':
    'pushManifest() reports what the registry misses, its size limit, and a digest that differs',
  'push-manifest/no-layers': 'pullImage() takes null for no layers, as programs in Go write it',
  'push-manifest/nondistributable': 'pushImage() leaves layers out that may not be distributed',
  'push-manifest/index': 'pushImage() sends an index after its members, and shared blobs once',
  'content-discovery/tags': 'listTags() and deleteManifest() follows the pages to their end',
  'content-discovery/tags-empty': 'listTags() and deleteManifest() takes null, an empty list and 404 as no tags',
  'content-discovery/tags-n': 'listTags() and deleteManifest() follows the pages to their end',
  'content-discovery/tags-link': 'listTags() and deleteManifest() follows the pages to their end',
  'push-manifest/subject-missing-ok': 'pushManifest() of a manifest with a subject takes a subject that is not there',
  'referrers/list': 'listReferrers() asks the registry, joins the pages, and gives nothing for what nothing refers to',
  'referrers/list-empty':
    'listReferrers() asks the registry, joins the pages, and gives nothing for what nothing refers to',
  'referrers/link': 'listReferrers() asks the registry, joins the pages, and gives nothing for what nothing refers to',
  'referrers/fallback-read':
    'listReferrers() reads the referrers tag where the registry has no list, and takes anything else there for none',
  'referrers/fallback-nothing':
    'listReferrers() reads the referrers tag where the registry has no list, and takes anything else there for none',
  'referrers/push-supported':
    'listReferrers() asks the registry, joins the pages, and gives nothing for what nothing refers to',
  'referrers/push-fallback':
    'pushManifest() of a manifest with a subject adds it to the referrers tag of a registry without a list, once, with its type and annotations',
  'referrers/push-fallback-new':
    'pushManifest() of a manifest with a subject adds it to the referrers tag of a registry without a list, once, with its type and annotations',
  'referrers/push-fallback-foreign':
    'pushManifest() of a manifest with a subject leaves something else under the referrers tag alone, and says so',
  'referrers/push-fallback-duplicate':
    'pushManifest() of a manifest with a subject adds it to the referrers tag of a registry without a list, once, with its type and annotations',
  'referrers/push-fallback-descriptor':
    'pushManifest() of a manifest with a subject adds it to the referrers tag of a registry without a list, once, with its type and annotations',
  'referrers/tag-name':
    'referrersTag() makes a tag of sha512:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
  'deletion/manifest': 'listTags() and deleteManifest() deletes, and says when a registry does not',
  'deletion/off': 'listTags() and deleteManifest() deletes, and says when a registry does not',
};

/** Entries that no test proves, with the reason. */
export const NOT_PROVEN: Readonly<Record<string, string>> = {
  'general/legacy-headers': 'Every test registry of ours leaves those headers out: no single test is about it.',
  'auth/proxy-credentials':
    'Credentials are looked up by the host that is asked, which a mirror is; no test of its own.',
  'pull/manifest-accept': 'Seen with docker-registry, buildah and skopeo, which pick by Accept; no test of its own.',
  'pull/manifest-length': "Node's HTTP client takes an answer that is shorter for a broken one.",
  'pull/sha512': 'The algorithm is the one of the digest, in one function for all; no test of a pull.',
  'pull/nondistributable': 'A foreign layer is asked for at the registry alone; when that has none, it is not found.',
  'pull/data-field': 'The client fetches the content, whatever a data field says.',
  'pull/custom-fields': 'Documents are kept as bytes; the digest shows it.',
  'push-monolithic/put-digest-encoding': 'Both forms are the same to a registry.',
  'push-monolithic/result-location': OF_REGISTRY,
  'push-monolithic/result-digest-header': 'The client does not read it: the digest was its own.',
  'push-monolithic/post-only': NO_POST_ONLY,
  'push-monolithic/post-only-refused': NO_POST_ONLY,
  'push-monolithic/empty-json': 'A blob like any other.',
  'push-chunked/status-nothing-yet': 'Both ranges are read as nothing; no test of its own.',
  'push-chunked/close-with-chunk': 'The client closes with an empty PUT.',
  'push-chunked/close-out-of-order': 'The client closes with an empty PUT.',
  'push-stream/patch': NO_CHUNK_STREAM,
  'push-stream/close': NO_CHUNK_STREAM,
  'push-stream/bad-digest': NO_CHUNK_STREAM,
  'mount/anonymous': 'The client always names the repository that it mounts from.',
  'push-manifest/media-type-field': 'Held by the tests of image documents (oci).',
  'push-manifest/bad-digest': 'The same answer as for a digest that differs; no test of its own.',
  'push-manifest/tags-by-parameter': 'Tags are pushed one by one.',
  'push-manifest/tags-by-parameter-missing': 'Tags are pushed one by one.',
  'push-manifest/tags-by-parameter-too-many': 'Tags are pushed one by one.',
  'push-manifest/sha512': 'The client makes sha256 digests; a manifest of another one is pushed as it is.',
  'content-discovery/tags-n-zero': OF_REGISTRY,
  'content-discovery/tags-last': 'The client follows the link that it is given.',
  'content-discovery/tags-order': 'The order is passed on as it comes.',
  'referrers/descriptor-fields': 'The client reads the digest of an entry alone, and fetches what it needs to know',
  'referrers/filter': NO_FILTER,
  'referrers/filter-ignored': NO_FILTER,
  'referrers/bad-digest': 'A digest has been checked before anything is asked.',
  'referrers/push-fallback-race': 'Known, and told where it is done: one client pushes referrers one after the other.',
  'referrers/delete-fallback': 'An entry whose manifest is gone stays in the list under the tag.',
  'deletion/tag': NO_DELETE,
  'deletion/blob': NO_DELETE,
  'deletion/blob-off': NO_DELETE,
  'deletion/missing': 'What is not there is reported as not found, for people to judge.',
  'deletion/delayed': SERVER_ONLY,
};
