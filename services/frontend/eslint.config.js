import js from '@eslint/js';
import jsxA11y from 'eslint-plugin-jsx-a11y-x';
import reactHooks from 'eslint-plugin-react-hooks';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

/**
 * Forbids imports that match `group`.
 *
 * @param {string[]} group
 * @param {string} message
 * @returns {import('eslint').Linter.RulesRecord}
 */
function forbid(group, message) {
  return {
    'no-restricted-imports': ['error', { patterns: [{ group, message }] }],
  };
}

export default defineConfig(
  globalIgnores(['dist', 'src/client']),
  js.configs.recommended,
  tseslint.configs.strictTypeChecked,
  tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      '@typescript-eslint/consistent-type-definitions': ['error', 'type'],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      // Numbers in template strings read well and cannot surprise.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // React's event handlers expect void; a promise there is handled by what it calls.
      '@typescript-eslint/no-misused-promises': [
        'error',
        { checksVoidReturn: { attributes: false } },
      ],
    },
  },
  {
    files: ['**/*.tsx'],
    extends: [reactHooks.configs.flat.recommended, jsxA11y.configs.strict],
  },
  {
    files: ['src/features/**'],
    rules: forbid(
      ['@/app/*', '@/features/*', '../../*'],
      'A feature knows itself and what is shared: what two need belongs to src/lib or src/components.',
    ),
  },
  {
    files: ['src/components/**', 'src/lib/**'],
    rules: forbid(['@/app/*', '@/features/*', '../*'], 'What is shared knows no feature.'),
  },
);
