// Spectral's rules for OpenAPI on a document; every finding is a failure.
import spectral from '@stoplight/spectral-core'
import parsers from '@stoplight/spectral-parsers'
import rulesets from '@stoplight/spectral-rulesets'

const ruleset = {
  extends: [[rulesets.oas, 'recommended']],
  rules: {
    // The documents that this API follows end their paths in a slash; both forms are served.
    'path-keys-no-trailing-slash': 'off',
    // It knows no handshakes, which succeed with 101; the next rule does.
    'operation-success-response': 'off',
    'operation-success': {
      given: '$.paths[*][get,put,post,patch,delete].responses',
      severity: 'error',
      then: {
        function: (responses) => Object.keys(responses).some((code) => /^[123]/.test(code))
          ? []
          : [{ message: 'no answer of success' }]
      }
    }
  }
}

// One line per finding.
export async function lint (text) {
  const linter = new spectral.Spectral()
  linter.setRuleset(ruleset)
  const findings = await linter.run(new spectral.Document(text, parsers.Json))
  return findings.map(({ code, path, message }) => `spectral ${code} ${path.join('.')}: ${message}`)
}
